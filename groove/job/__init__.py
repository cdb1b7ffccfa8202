"""The devices and processes that share one job."""
