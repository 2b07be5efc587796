"""The ways out: the mailbox of this installation, SMTP, SES and Twilio."""
