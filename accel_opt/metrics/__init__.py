"""Floor 1: numbers that judge images, one file a metric."""

from accel_opt.metrics.base import Images, Metric
from accel_opt.metrics.registry import get_metric, metric_names, register
from accel_opt.metrics.scorable import check_scorable

__all__ = ["Images", "Metric", "check_scorable", "get_metric", "metric_names", "register"]
