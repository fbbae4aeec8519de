/// Implements `Debug` as the type's name alone, for types that hold personal data.
macro_rules! debug_as_name {
    ($name:ident) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}
pub(crate) use debug_as_name;
