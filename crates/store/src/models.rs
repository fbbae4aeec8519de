//! The model set, the calibration and the shadow model that the site decided for.

pub(crate) mod activation;
pub(crate) mod active;
pub(crate) mod active_calibration;
pub(crate) mod calibration_activation;
pub(crate) mod calibration_row;
pub(crate) mod shadow;
pub(crate) mod shadow_change;
pub(crate) mod shadow_row;
