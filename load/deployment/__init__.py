"""What is put under load: the service with firms in it, started and stopped again."""
