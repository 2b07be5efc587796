"""What pages are made of. No component knows a state: everything it shows is passed in."""
