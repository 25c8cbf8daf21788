"""What those who run the server see of it, and how they tell it to stop or to look again."""
