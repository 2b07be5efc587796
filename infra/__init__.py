"""The Pulumi program that builds an installation on AWS or Google Cloud, and what is known of it offline."""
