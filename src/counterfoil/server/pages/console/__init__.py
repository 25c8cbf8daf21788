"""What administrators see: `/admin` and below, for those with the role of `/v1/admin`."""
