use padan_store::LiveScale;

/// The scale in use, and the percentages whose rates are shown.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveMarks {
    /// What counts have to be made with to be comparable.
    pub scale: LiveScale,
    /// Percentages.
    pub percentages: Vec<f64>,
    /// The cosine of each of them.
    pub cosines: Vec<f64>,
}
