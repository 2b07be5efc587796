"""Each Google type of the program and its twin in Google's REST API: reviewed, each entry checked to be needed."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Twin:
    """Where a type's inputs go. Paths are Pulumi's, without places in lists."""

    document: str
    schema: str
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Google's name, relative to the object around it; with dots where it lies deeper."""
    beside: Mapping[str, str] = field(default_factory=dict[str, str])
    """Not part of the body, and what it is."""
    elsewhere: tuple[str, ...] = ()
    """Required in Google's words, but given in the address of the call, or made by the bridge."""
    keyed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Maps that the bridge writes as lists: which field of an item is the key."""
    whole: str | None = None
    """The input that holds all of it, as JSON within text."""
    required: tuple[str, ...] = ()
    """Google's paths that must be given, which the document does not say, and `source` for it."""
    source: str = ""


_ADDRESS = "in the address of the call"
_OURS = "of the bridge, which acts on it itself"
_CREATE = "an argument of the call, beside the body"
_MEMBER = {"member": "members"}
_RUN = {"deletionProtection": _OURS, "location": _ADDRESS, "name": _ADDRESS}

TWINS: Mapping[str, Twin] = {
    "gcp:artifactregistry/repository:Repository": Twin(
        document="artifactregistry.v1",
        schema="Repository",
        beside={"location": _ADDRESS, "repositoryId": _CREATE},
        keyed={"cleanupPolicies": "id"},
        required=("format",),
        source="Artifact Registry, repositories.create: a repository has a format",
    ),
    "gcp:backupdisasterrecovery/backupPlan:BackupPlan": Twin(
        document="backupdr.v1", schema="BackupPlan", beside={"location": _ADDRESS, "backupPlanId": _CREATE}
    ),
    "gcp:backupdisasterrecovery/backupPlanAssociation:BackupPlanAssociation": Twin(
        document="backupdr.v1",
        schema="BackupPlanAssociation",
        beside={"location": _ADDRESS, "backupPlanAssociationId": _CREATE},
    ),
    "gcp:backupdisasterrecovery/backupVault:BackupVault": Twin(
        document="backupdr.v1",
        schema="BackupVault",
        beside={
            "location": _ADDRESS,
            "backupVaultId": _CREATE,
            "forceDelete": "an argument of the deletion",
            "ignoreBackupPlanReferences": "an argument of the deletion",
            "ignoreInactiveDatasources": "an argument of the deletion",
        },
    ),
    "gcp:billing/budget:Budget": Twin(
        document="billingbudgets.v1",
        schema="GoogleCloudBillingBudgetsV1Budget",
        renamed={"allUpdatesRule": "notificationsRule"},
        beside={"billingAccount": _ADDRESS},
    ),
    "gcp:certificatemanager/certificate:Certificate": Twin(document="certificatemanager.v1", schema="Certificate"),
    "gcp:certificatemanager/certificateMap:CertificateMap": Twin(
        document="certificatemanager.v1", schema="CertificateMap"
    ),
    "gcp:certificatemanager/certificateMapEntry:CertificateMapEntry": Twin(
        document="certificatemanager.v1", schema="CertificateMapEntry", beside={"map": _ADDRESS}
    ),
    "gcp:certificatemanager/dnsAuthorization:DnsAuthorization": Twin(
        document="certificatemanager.v1", schema="DnsAuthorization"
    ),
    "gcp:cloudrunv2/job:Job": Twin(document="run.v2", schema="GoogleCloudRunV2Job", beside=_RUN),
    "gcp:cloudrunv2/service:Service": Twin(document="run.v2", schema="GoogleCloudRunV2Service", beside=_RUN),
    "gcp:cloudrunv2/workerPool:WorkerPool": Twin(document="run.v2", schema="GoogleCloudRunV2WorkerPool", beside=_RUN),
    "gcp:cloudscheduler/job:Job": Twin(document="cloudscheduler.v1", schema="Job", beside={"region": _ADDRESS}),
    "gcp:compute/address:Address": Twin(document="compute.v1", schema="Address", beside={"region": _ADDRESS}),
    "gcp:compute/backendService:BackendService": Twin(
        document="compute.v1",
        schema="BackendService",
        renamed={"enableCdn": "enableCDN"},
        beside={"securityPolicy": "set by a call of its own, backendServices.setSecurityPolicy"},
    ),
    "gcp:compute/firewall:Firewall": Twin(
        document="compute.v1",
        schema="Firewall",
        renamed={
            "allows": "allowed",
            "allows.protocol": "IPProtocol",
            "denies": "denied",
            "denies.protocol": "IPProtocol",
        },
        required=("network",),
        source="Compute Engine, firewalls.insert: without a network a rule is of the network named default",
    ),
    "gcp:compute/forwardingRule:ForwardingRule": Twin(
        document="compute.v1",
        schema="ForwardingRule",
        renamed={"ipAddress": "IPAddress", "ipProtocol": "IPProtocol"},
        beside={"region": _ADDRESS},
    ),
    "gcp:compute/globalAddress:GlobalAddress": Twin(document="compute.v1", schema="Address"),
    "gcp:compute/globalForwardingRule:GlobalForwardingRule": Twin(
        document="compute.v1",
        schema="ForwardingRule",
        renamed={"ipAddress": "IPAddress", "ipProtocol": "IPProtocol"},
        required=("target",),
        source="Compute Engine, globalForwardingRules.insert: an external rule forwards to a target proxy",
    ),
    "gcp:compute/network:Network": Twin(
        document="compute.v1",
        schema="Network",
        renamed={"routingMode": "routingConfig.routingMode"},
        beside={"deleteDefaultRoutesOnCreate": _OURS},
    ),
    "gcp:compute/networkPeeringRoutesConfig:NetworkPeeringRoutesConfig": Twin(
        document="compute.v1",
        schema="NetworkPeering",
        renamed={"peering": "name"},
        beside={"network": _ADDRESS},
    ),
    "gcp:compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup": Twin(
        document="compute.v1", schema="NetworkEndpointGroup", beside={"region": _ADDRESS}
    ),
    "gcp:compute/route:Route": Twin(
        document="compute.v1",
        schema="Route",
        required=("network", "destRange"),
        source="Compute Engine, routes.insert: a route is of a network and for a range",
    ),
    "gcp:compute/router:Router": Twin(document="compute.v1", schema="Router", beside={"region": _ADDRESS}),
    "gcp:compute/routerNat:RouterNat": Twin(
        document="compute.v1",
        schema="RouterNat",
        beside={"region": _ADDRESS, "router": _ADDRESS},
        required=("sourceSubnetworkIpRangesToNat", "natIpAllocateOption"),
        source="Cloud NAT, public NAT: which ranges and whose addresses must be said",
    ),
    "gcp:compute/sSLCertificate:SSLCertificate": Twin(document="compute.v1", schema="SslCertificate"),
    "gcp:compute/sSLPolicy:SSLPolicy": Twin(document="compute.v1", schema="SslPolicy"),
    "gcp:compute/securityPolicy:SecurityPolicy": Twin(document="compute.v1", schema="SecurityPolicy"),
    "gcp:compute/subnetwork:Subnetwork": Twin(
        document="compute.v1",
        schema="Subnetwork",
        beside={"region": _ADDRESS},
        required=("ipCidrRange", "network"),
        source="Compute Engine, subnetworks.insert: a subnetwork has a range in a network",
    ),
    "gcp:compute/targetHttpProxy:TargetHttpProxy": Twin(document="compute.v1", schema="TargetHttpProxy"),
    "gcp:compute/targetHttpsProxy:TargetHttpsProxy": Twin(document="compute.v1", schema="TargetHttpsProxy"),
    "gcp:compute/uRLMap:URLMap": Twin(document="compute.v1", schema="UrlMap"),
    "gcp:compute/vPNGateway:VPNGateway": Twin(
        document="compute.v1", schema="TargetVpnGateway", beside={"region": _ADDRESS}
    ),
    "gcp:compute/vPNTunnel:VPNTunnel": Twin(
        document="compute.v1",
        schema="VpnTunnel",
        beside={"region": _ADDRESS},
        required=("peerIp", "sharedSecret", "targetVpnGateway"),
        source="Classic VPN: a tunnel has a peer, a secret and a gateway",
    ),
    "gcp:dns/managedZone:ManagedZone": Twin(
        document="dns.v1",
        schema="ManagedZone",
        beside={"forceDestroy": _OURS},
        required=("dnsName", "description"),
        source="Cloud DNS, managedZones.create: name, DNS name and description",
    ),
    "gcp:dns/recordSet:RecordSet": Twin(
        document="dns.v1",
        schema="ResourceRecordSet",
        beside={"managedZone": _ADDRESS},
        required=("name", "type"),
        source="Cloud DNS, resourceRecordSets.create",
    ),
    "gcp:kms/cryptoKey:CryptoKey": Twin(
        document="cloudkms.v1",
        schema="CryptoKey",
        beside={"keyRing": _ADDRESS},
        required=("purpose",),
        source="Cloud KMS, cryptoKeys.create: CRYPTO_KEY_PURPOSE_UNSPECIFIED is refused",
    ),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": Twin(
        document="cloudkms.v1", schema="Binding", renamed=_MEMBER, beside={"cryptoKeyId": _ADDRESS}
    ),
    "gcp:kms/keyRing:KeyRing": Twin(
        document="cloudkms.v1", schema="KeyRing", beside={"location": _ADDRESS, "project": _ADDRESS}
    ),
    "gcp:logging/metric:Metric": Twin(document="logging.v2", schema="LogMetric"),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": Twin(
        document="logging.v2",
        schema="LogBucket",
        renamed={"enableAnalytics": "analyticsEnabled"},
        beside={"bucketId": _CREATE, "location": _ADDRESS, "project": _ADDRESS},
    ),
    "gcp:logging/projectExclusion:ProjectExclusion": Twin(document="logging.v2", schema="LogExclusion"),
    "gcp:logging/projectSink:ProjectSink": Twin(
        document="logging.v2", schema="LogSink", beside={"uniqueWriterIdentity": _CREATE}
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Twin(document="monitoring.v3", schema="AlertPolicy"),
    "gcp:monitoring/dashboard:Dashboard": Twin(document="monitoring.v1", schema="Dashboard", whole="dashboardJson"),
    "gcp:monitoring/notificationChannel:NotificationChannel": Twin(
        document="monitoring.v3",
        schema="NotificationChannel",
        renamed={"sensitiveLabels": "labels"},
        required=("type",),
        source="Cloud Monitoring, notificationChannels.create: of a type with a descriptor",
    ),
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": Twin(document="monitoring.v3", schema="UptimeCheckConfig"),
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": Twin(
        document="networkconnectivity.v1", schema="ServiceConnectionPolicy", beside={"location": _ADDRESS}
    ),
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": Twin(
        document="cloudresourcemanager.v1", schema="AuditConfig", beside={"project": _ADDRESS}
    ),
    "gcp:projects/iAMCustomRole:IAMCustomRole": Twin(
        document="iam.v1",
        schema="CreateRoleRequest",
        renamed={"permissions": "role.includedPermissions", "title": "role.title"},
    ),
    "gcp:projects/iAMMember:IAMMember": Twin(
        document="cloudresourcemanager.v1", schema="Binding", renamed=_MEMBER, beside={"project": _ADDRESS}
    ),
    "gcp:pubsub/subscription:Subscription": Twin(document="pubsub.v1", schema="Subscription", elsewhere=("name",)),
    "gcp:pubsub/topic:Topic": Twin(document="pubsub.v1", schema="Topic", elsewhere=("name",)),
    "gcp:pubsub/topicIAMMember:TopicIAMMember": Twin(
        document="pubsub.v1", schema="Binding", renamed=_MEMBER, beside={"topic": _ADDRESS}
    ),
    "gcp:redis/instance:Instance": Twin(
        document="redis.v1",
        schema="Instance",
        beside={"deletionProtection": _OURS, "region": _ADDRESS},
        elsewhere=("name",),
    ),
    "gcp:secretmanager/secret:Secret": Twin(
        document="secretmanager.v1",
        schema="Secret",
        beside={"deletionProtection": _OURS, "secretId": _CREATE},
        required=("replication",),
        source="Secret Manager, secrets.create: how a secret is replicated is said when it is made",
    ),
    "gcp:secretmanager/secretIamMember:SecretIamMember": Twin(
        document="secretmanager.v1", schema="Binding", renamed=_MEMBER, beside={"secretId": _ADDRESS}
    ),
    "gcp:secretmanager/secretVersion:SecretVersion": Twin(
        document="secretmanager.v1",
        schema="AddSecretVersionRequest",
        renamed={"secretData": "payload.data"},
        beside={"secret": _ADDRESS},
    ),
    "gcp:serviceaccount/account:Account": Twin(
        document="iam.v1",
        schema="CreateServiceAccountRequest",
        renamed={"displayName": "serviceAccount.displayName", "description": "serviceAccount.description"},
        elsewhere=("accountId",),  # the bridge makes it of the resource's name
    ),
    "gcp:servicenetworking/connection:Connection": Twin(
        document="servicenetworking.v1",
        schema="Connection",
        beside={"deletionPolicy": _OURS, "service": _ADDRESS},
        required=("reservedPeeringRanges",),
        source="Service Networking, services.connections.create: at least one range at the first connection",
    ),
    "gcp:sql/database:Database": Twin(
        document="sqladmin.v1",
        schema="Database",
        required=("name", "instance"),
        source="Cloud SQL Admin, databases.insert",
    ),
    "gcp:sql/databaseInstance:DatabaseInstance": Twin(
        document="sqladmin.v1",
        schema="DatabaseInstance",
        renamed={
            "encryptionKeyName": "diskEncryptionConfiguration.kmsKeyName",
            "settings.diskAutoresize": "storageAutoResize",
            "settings.diskAutoresizeLimit": "storageAutoResizeLimit",
            "settings.diskSize": "dataDiskSizeGb",
            "settings.diskType": "dataDiskType",
        },
        beside={"deletionProtection": _OURS},
        required=("databaseVersion", "region", "settings.tier"),
        source="Cloud SQL, create instances: instances.insert with its required parameters",
    ),
    "gcp:sql/user:User": Twin(
        document="sqladmin.v1",
        schema="User",
        beside={"deletionPolicy": _OURS},
        required=("name", "instance"),
        source="Cloud SQL Admin, users.insert",
    ),
    "gcp:storage/bucket:Bucket": Twin(
        document="storage.v1",
        schema="Bucket",
        renamed={
            "publicAccessPrevention": "iamConfiguration.publicAccessPrevention",
            "uniformBucketLevelAccess": "iamConfiguration.uniformBucketLevelAccess.enabled",
        },
        beside={"forceDestroy": _OURS},
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": Twin(
        document="storage.v1",
        schema="Policy",
        renamed={"member": "bindings.members", "role": "bindings.role"},
        beside={"bucket": _ADDRESS},
    ),
}

NO_TWIN: Mapping[str, str] = {
    "gcp:memorystore/aclPolicy:AclPolicy": "no document of Memorystore for Valkey is carried",
    "gcp:memorystore/instance:Instance": "no document of Memorystore for Valkey is carried",
    "gcp:projects/service:Service": "services.enable has an empty body: its name is in the address",
    "gcp:projects/serviceIdentity:ServiceIdentity": "generateServiceIdentity has no body: its name is in the address",
}
"""Types that no schema can judge, and why."""
