"""What decision policies save: schedules of pumps, and condition monitoring by replay."""
