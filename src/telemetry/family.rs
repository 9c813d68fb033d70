//! Metric families as the crate `prometheus` has them, made from plain values.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::HistogramValues;

/// Labels of one sample, name and value.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

fn pairs(labels: Labels) -> Vec<LabelPair> {
    let pair = |&(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}

/// One family while its samples are gathered.
pub(super) struct Family(MetricFamily);

impl Family {
    fn new(kind: MetricType, name: &str, help: &str) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Self(family)
    }

    pub(super) fn counter(name: &str, help: &str) -> Self {
        Self::new(MetricType::COUNTER, name, help)
    }

    pub(super) fn gauge(name: &str, help: &str) -> Self {
        Self::new(MetricType::GAUGE, name, help)
    }

    pub(super) fn histogram(name: &str, help: &str) -> Self {
        Self::new(MetricType::HISTOGRAM, name, help)
    }

    /// A sample of a counter or a gauge.
    pub(super) fn add(&mut self, labels: Labels, value: f64) {
        let mut metric = Metric::from_label(pairs(labels));
        if self.0.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.0.mut_metric().push(metric);
    }

    /// A sample of a histogram.
    pub(super) fn add_histogram(&mut self, labels: Labels, values: &HistogramValues) {
        let bucket = |(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(values.cumulative().map(bucket).collect());
        histogram.set_sample_count(values.count());
        histogram.set_sample_sum(values.sum.as_secs_f64());
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_histogram(histogram);
        self.0.mut_metric().push(metric);
    }

    /// None without samples: Prometheus knows no empty family.
    pub(super) fn finish(self) -> Option<MetricFamily> {
        (!self.0.get_metric().is_empty()).then_some(self.0)
    }
}
