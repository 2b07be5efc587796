"""What does not follow from the provider's schema: reviewed by hand, and each entry checked to be needed still."""

from collections.abc import Mapping

MODULES: Mapping[str, str] = {
    "cfg": "config",
    "ec2": "",
    "rds": "db",
    "servicediscovery": "service_discovery",
}
"""Pulumi's name of a service, where the provider's types begin otherwise (`aws:rds/...` as `aws_db_...`)."""

TYPES: Mapping[str, str] = {
    "aws:cfg/recorder:Recorder": "aws_config_configuration_recorder",
    "aws:cfg/recorderStatus:RecorderStatus": "aws_config_configuration_recorder_status",
    "aws:cfg/rule:Rule": "aws_config_config_rule",
    "aws:cloudtrail/trail:Trail": "aws_cloudtrail",
    "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
}
"""Types whose names are irregular."""

FIELDS: Mapping[tuple[str, str], str] = {
    ("aws:cloudwatch/metricAlarm:MetricAlarm", "name"): "alarm_name",
    ("aws:sns/topicSubscription:TopicSubscription", "topic"): "topic_arn",
}
"""Irregular names of fields: type and Pulumi's path, to the provider's name."""

NAMED: Mapping[str, tuple[str, int]] = {
    "aws:iam/role:Role": ("name", 64),
    "aws:lb/loadBalancer:LoadBalancer": ("name", 32),
    "aws:lb/targetGroup:TargetGroup": ("name", 32),
    "aws:s3/bucket:Bucket": ("bucket", 63),
}
"""Where the bridge makes a name (the resource's own and eight characters) for one that is not given: the field and the
longest that the service takes (IAM, Elastic Load Balancing and S3 document 64, 32 and 63 characters). For all others it
is `name`, up to 255."""
