/// The path of all routes.
pub(super) const PREFIX: &str = "/admin/v1";

/// Whether a path belongs to the management interface, so that its body is read.
pub(crate) fn is_management_path(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('/'))
}

/// What makes the body of a request longer than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LongBody {
    /// Photos.
    Photos,
    /// A calibration file.
    Calibration,
}

/// What makes the body of a request to this path, without the prefix, longer than others; `None` of most.
pub(super) fn long_body(path: &str) -> Option<LongBody> {
    match path {
        "/verifications" | "/comparisons" => Some(LongBody::Photos),
        "/calibration/preview" | "/calibration/activation" => Some(LongBody::Calibration),
        _ => None,
    }
}
