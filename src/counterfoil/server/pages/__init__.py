"""What people see: `/login`, `/register` and `/account`, rendered here and needing no script."""
