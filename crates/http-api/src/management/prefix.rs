/// The path of all routes.
pub(super) const PREFIX: &str = "/admin/v1";

/// Whether a path belongs to the management interface, so that its body is read.
pub(crate) fn is_management_path(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether the body of a request to this path, without the prefix, has photos.
pub(super) fn has_photos(path: &str) -> bool {
    matches!(path, "/verifications" | "/comparisons")
}
