"""What AWS does not bill by itself, each with who says so."""

from collections.abc import Mapping

from infra.costs.items import Model
from infra.costs.models.program import free

_FREE: Mapping[str, tuple[str, ...]] = {
    "aws.amazon.com/vpc/pricing: a VPC and its parts are free; NAT, addresses, endpoints and data are not": (
        "aws:ec2/subnet:Subnet",
        "aws:ec2/routeTable:RouteTable",
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation",
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "aws:ec2/flowLog:FlowLog",
        "aws:ec2/customerGateway:CustomerGateway",
        "aws:ec2/vpnGateway:VpnGateway",
        "aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation",
        "aws:ec2/vpnConnectionRoute:VpnConnectionRoute",
    ),
    "aws.amazon.com/iam: identities and policies are free": (
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:iam/policy:Policy",
    ),
    "aws.amazon.com/kms/pricing: an alias or a policy is part of its key": ("aws:kms/alias:Alias",),
    "aws.amazon.com/ecr/pricing: rules of a repository are part of it": (
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration",
    ),
    "aws.amazon.com/secrets-manager/pricing: versions and policies are part of their secret": (
        "aws:secretsmanager/secretVersion:SecretVersion",
        "aws:secretsmanager/secretPolicy:SecretPolicy",
        "aws:secretsmanager/secretRotation:SecretRotation",
    ),
    "aws.amazon.com/rds/postgresql/pricing: groups are free, instances are not": (
        "aws:rds/parameterGroup:ParameterGroup",
        "aws:rds/subnetGroup:SubnetGroup",
        "aws:rds/eventSubscription:EventSubscription",
    ),
    "aws.amazon.com/elasticache/pricing: groups and users are free, nodes are not": (
        "aws:elasticache/parameterGroup:ParameterGroup",
        "aws:elasticache/subnetGroup:SubnetGroup",
        "aws:elasticache/user:User",
        "aws:elasticache/userGroup:UserGroup",
        "aws:elasticache/userGroupAssociation:UserGroupAssociation",
    ),
    "aws.amazon.com/efs/pricing: ways into a file system are free, what lies in it is not": (
        "aws:efs/accessPoint:AccessPoint",
        "aws:efs/mountTarget:MountTarget",
        "aws:efs/fileSystemPolicy:FileSystemPolicy",
        "aws:efs/backupPolicy:BackupPolicy",
    ),
    "aws.amazon.com/elasticloadbalancing/pricing: listeners, rules and groups are part of their load balancer": (
        "aws:lb/listener:Listener",
        "aws:lb/listenerRule:ListenerRule",
        "aws:lb/listenerCertificate:ListenerCertificate",
        "aws:lb/targetGroup:TargetGroup",
    ),
    "aws.amazon.com/certificate-manager/pricing: public certificates for a load balancer are free": (
        "aws:acm/certificate:Certificate",
        "aws:acm/certificateValidation:CertificateValidation",
    ),
    "aws.amazon.com/route53/pricing: records are part of their zone; aliases to load balancers are not billed": (
        "aws:route53/record:Record",
    ),
    "aws.amazon.com/waf/pricing: associations and logging are part of their ACL; the logs are billed as such": (
        "aws:wafv2/webAclAssociation:WebAclAssociation",
        "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",
    ),
    "aws.amazon.com/s3/pricing: settings of a bucket are part of it": (
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketLogging:BucketLogging",
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    ),
    "aws.amazon.com/cloud-map/pricing: a namespace of ECS services is free; its zone is private and not billed": (
        "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace",
        "aws:servicediscovery/httpNamespace:HttpNamespace",
        "aws:servicediscovery/service:Service",
    ),
    "aws.amazon.com/autoscaling/pricing: scaling is free, what it starts is not": (
        "aws:appautoscaling/target:Target",
        "aws:appautoscaling/policy:Policy",
        "aws:appautoscaling/scheduledAction:ScheduledAction",
        "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
    ),
    "aws.amazon.com/eventbridge/pricing: events of AWS's own services are free; schedules are to 14 million": (
        "aws:cloudwatch/eventRule:EventRule",
        "aws:cloudwatch/eventTarget:EventTarget",
        "aws:scheduler/schedule:Schedule",
        "aws:scheduler/scheduleGroup:ScheduleGroup",
    ),
    "aws.amazon.com/sns/pricing: topics, policies and subscriptions are free, messages are not": (
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
    ),
    "aws.amazon.com/cloudwatch/pricing: filters and policies are free; the metrics that they make are counted": (
        "aws:cloudwatch/logMetricFilter:LogMetricFilter",
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        "aws:cloudwatch/compositeAlarm:CompositeAlarm",
    ),
    "aws.amazon.com/backup/pricing: plans, selections and locks are free, recovery points are not": (
        "aws:backup/plan:Plan",
        "aws:backup/selection:Selection",
        "aws:backup/vaultPolicy:VaultPolicy",
        "aws:backup/vaultLockConfiguration:VaultLockConfiguration",
        "aws:backup/vaultNotifications:VaultNotifications",
        "aws:backup/restoreTestingSelection:RestoreTestingSelection",
    ),
    "aws.amazon.com/guardduty/pricing: features are billed by what they look at, with their detector": (
        "aws:guardduty/detectorFeature:DetectorFeature",
    ),
    "aws.amazon.com/config/pricing: the channel is free, the items are not": (
        "aws:cfg/deliveryChannel:DeliveryChannel",
        "aws:cfg/recorderStatus:RecorderStatus",
    ),
}


MODELS: dict[str, Model] = {kind: free(source) for source, kinds in _FREE.items() for kind in kinds}
