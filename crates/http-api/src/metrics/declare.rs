use prometheus::{
    CounterVec, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts,
};

/// Declares metrics as fields. The doc of a field is the help text of its metric; a histogram names its buckets.
macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $field:ident:
        $kind:ident = $name:literal, [$($label:literal),*] $(in $buckets:ident)?;)+) => {
        /// Every metric of `/metrics`.
        pub(crate) struct Metrics {
            registry: Registry,
            observing: Mutex<()>,
            $($(#[doc = $help])+ $field: $kind,)+
        }

        impl Metrics {
            /// Registers the metrics, with nothing counted.
            pub(crate) fn new() -> Result<Self, prometheus::Error> {
                let registry = Registry::new();
                registry.register(Box::new(ProcessCollector::for_self()))?;
                $(
                    let buckets: &[&[f64]] = &[$(&$buckets)?];
                    let help = concat!($($help),+).trim();
                    let $field = $kind::declare($name, help, &[$($label),*], buckets.concat())?;
                    registry.register(Box::new($field.clone()))?;
                )+
                Ok(Self { registry, observing: Mutex::new(()), $($field,)+ })
            }
        }
    };
}
pub(super) use metrics;

/// Fine between 10 ms and 1 s, where verifications lie, and up to the longest deadline.
pub(super) const SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Of scores between 0 and 1, finer at both ends.
pub(super) const SHARES: [f64; 15] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99];
/// 75 is the pass mark.
pub(super) const PERCENT: [f64; 20] = [
    5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0, 65.0, 70.0, 75.0, 80.0, 85.0,
    90.0, 95.0, 100.0,
];
/// From one row to the largest batch.
pub(super) const ROWS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// From a thumbnail to the longest body.
pub(super) const BYTES: [f64; 8] = [32_768.0, 131_072.0, 524_288.0, 1e6, 2e6, 4e6, 8e6, 16e6];
/// From a thumbnail to photos that are refused.
pub(super) const MEGAPIXELS: [f64; 10] = [0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 40.0];

/// Makes a metric of one kind from its name, help, labels and buckets.
pub(super) trait Declare: Sized {
    fn declare(name: &str, help: &str, labels: &[&str], buckets: Vec<f64>)
    -> Result<Self, prometheus::Error>;
}

/// Metrics with labels and without buckets.
macro_rules! labelled {
    ($($kind:ident),+) => {$(
        impl Declare for $kind {
            fn declare(
                name: &str,
                help: &str,
                labels: &[&str],
                _buckets: Vec<f64>,
            ) -> Result<Self, prometheus::Error> {
                Self::new(Opts::new(name, help), labels)
            }
        }
    )+};
}
labelled!(CounterVec, GaugeVec, IntCounterVec, IntGaugeVec);

/// Metrics without labels and buckets.
macro_rules! plain {
    ($($kind:ident),+) => {$(
        impl Declare for $kind {
            fn declare(
                name: &str,
                help: &str,
                _labels: &[&str],
                _buckets: Vec<f64>,
            ) -> Result<Self, prometheus::Error> {
                Self::with_opts(Opts::new(name, help))
            }
        }
    )+};
}
plain!(IntCounter, IntGauge);

impl Declare for HistogramVec {
    fn declare(
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: Vec<f64>,
    ) -> Result<Self, prometheus::Error> {
        Self::new(HistogramOpts::new(name, help).buckets(buckets), labels)
    }
}

impl Declare for Histogram {
    fn declare(
        name: &str,
        help: &str,
        _labels: &[&str],
        buckets: Vec<f64>,
    ) -> Result<Self, prometheus::Error> {
        Self::with_opts(HistogramOpts::new(name, help).buckets(buckets))
    }
}
