use std::{collections::HashSet, sync::LazyLock};

/// The words of `common_names.txt`, in upper case.
static COMMON_NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| words().collect());

/// Whether a word is that of a common Indonesian name.
pub(super) fn is_common_name(word: &str) -> bool {
    COMMON_NAMES.contains(word)
}

pub(super) fn words() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("common_names.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace)
}
