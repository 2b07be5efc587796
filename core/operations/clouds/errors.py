"""What goes wrong between us and a cloud.

CloudError
├── CloudUnreachable    cloud_unreachable      no credentials, no answer, or the client is not installed
├── CloudRefused        cloud_refused          it answered, and said no
├── DatabaseNotFound    cloud_database_missing it knows no database of that address
├── BackupNotFound      cloud_backup_missing   it knows no backup of that name
└── ObjectNotFound      cloud_object_missing   its store holds no object of that name
"""

from core.foundation.errors import CloudBillError


class CloudError(CloudBillError):
    """Base of what a cloud's API leads to."""

    code = "cloud_error"


class CloudUnreachable(CloudError):
    """It could not be asked."""

    code = "cloud_unreachable"


class CloudRefused(CloudError):
    """It was asked and refused."""

    code = "cloud_refused"


class DatabaseNotFound(CloudError):
    """No database there has the address that the stack gives out."""

    code = "cloud_database_missing"


class BackupNotFound(CloudError):
    """No backup there has that name."""

    code = "cloud_backup_missing"


class ObjectNotFound(CloudError):
    """No object there has that name."""

    code = "cloud_object_missing"
