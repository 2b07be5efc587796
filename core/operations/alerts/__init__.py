"""What fires: told by the clouds, and seen by the installation itself."""
