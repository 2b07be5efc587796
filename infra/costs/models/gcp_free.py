"""What Google Cloud does not bill by itself, each with who says so."""

from collections.abc import Mapping

from infra.costs.items import Model
from infra.costs.models.program import free

_FREE: Mapping[str, tuple[str, ...]] = {
    "cloud.google.com/vpc/network-pricing: a network's parts are free; NAT, addresses and data are not": (
        "gcp:compute/subnetwork:Subnetwork",
        "gcp:compute/firewall:Firewall",
        "gcp:compute/router:Router",
        "gcp:compute/route:Route",
        "gcp:servicenetworking/connection:Connection",
        "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy",
        "gcp:compute/networkPeeringRoutesConfig:NetworkPeeringRoutesConfig",
        "gcp:compute/vPNGateway:VPNGateway",
        "gcp:compute/haVpnGateway:HaVpnGateway",
        "gcp:compute/externalVpnGateway:ExternalVpnGateway",
    ),
    "cloud.google.com/iam/pricing: identities, roles and bindings are free": (
        "gcp:serviceaccount/account:Account",
        "gcp:serviceaccount/iAMMember:IAMMember",
        "gcp:projects/iAMMember:IAMMember",
        "gcp:projects/iAMCustomRole:IAMCustomRole",
        "gcp:projects/iAMAuditConfig:IAMAuditConfig",
        "gcp:projects/serviceIdentity:ServiceIdentity",
        "gcp:secretmanager/secretIamMember:SecretIamMember",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        "gcp:pubsub/topicIAMMember:TopicIAMMember",
        "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
        "gcp:cloudrunv2/jobIamMember:JobIamMember",
        "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
    ),
    "cloud.google.com/service-usage: enabling an API is free, using it is not": ("gcp:projects/service:Service",),
    "cloud.google.com/memorystore/valkey/pricing: nodes are billed, who may use them is not": (
        "gcp:memorystore/aclPolicy:AclPolicy",
    ),
    "cloud.google.com/vpc/network-pricing: a VPN gateway's forwarding rules are free, its tunnel is not": (
        "gcp:compute/forwardingRule:ForwardingRule",
    ),
    "cloud.google.com/kms/pricing: a ring is free, versions of its keys are not": ("gcp:kms/keyRing:KeyRing",),
    "cloud.google.com/sql/pricing: databases, users and certificates are part of their instance": (
        "gcp:sql/database:Database",
        "gcp:sql/user:User",
    ),
    "cloud.google.com/secret-manager/pricing: a version is billed with its secret": (
        "gcp:secretmanager/secretVersion:SecretVersion",
    ),
    "cloud.google.com/vpc/network-pricing: a load balancer is billed by forwarding rules and data": (
        "gcp:compute/backendService:BackendService",
        "gcp:compute/uRLMap:URLMap",
        "gcp:compute/targetHttpProxy:TargetHttpProxy",
        "gcp:compute/targetHttpsProxy:TargetHttpsProxy",
        "gcp:compute/sSLPolicy:SSLPolicy",
        "gcp:compute/sSLCertificate:SSLCertificate",
        "gcp:compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup",
    ),
    "cloud.google.com/certificate-manager/pricing: maps and authorizations are part of a certificate": (
        "gcp:certificatemanager/certificateMap:CertificateMap",
        "gcp:certificatemanager/certificateMapEntry:CertificateMapEntry",
        "gcp:certificatemanager/dnsAuthorization:DnsAuthorization",
    ),
    "cloud.google.com/dns/pricing: records are part of their zone": ("gcp:dns/recordSet:RecordSet",),
    "cloud.google.com/stackdriver/pricing: sinks, exclusions, audit settings and metrics of the platform are free": (
        "gcp:projects/iAMAuditConfig:IAMAuditConfig",
        "gcp:logging/projectSink:ProjectSink",
        "gcp:logging/projectExclusion:ProjectExclusion",
        "gcp:logging/metric:Metric",
        "gcp:monitoring/notificationChannel:NotificationChannel",
    ),
    "cloud.google.com/pubsub/pricing: a subscription is billed by what is delivered, with its topic": (
        "gcp:pubsub/subscription:Subscription",
    ),
    "cloud.google.com/backup-disaster-recovery/pricing: plans are free, what they keep is not": (
        "gcp:backupdisasterrecovery/backupPlan:BackupPlan",
        "gcp:backupdisasterrecovery/backupPlanAssociation:BackupPlanAssociation",
    ),
    "cloud.google.com/billing/docs/how-to/budgets: budgets are free": ("gcp:billing/budget:Budget",),
}

MODELS: dict[str, Model] = {kind: free(source) for source, kinds in _FREE.items() for kind in kinds}
