use std::{any::Any, panic};

/// Installs a panic hook that logs where a panic happened without its data.
///
/// The default hook prints the message of a panic, which may quote the text being processed, such as a name or a date.
/// This one logs a literal message and withholds one that was formatted. Call it once, at start.
pub fn report_panics_without_data() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(place, message = message(panic.payload()), "a thread panicked");
    }));
}

/// The message, when it is a literal and so contains no data.
pub(crate) fn message(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(withheld, since it may hold data)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_literal_message_is_logged() {
        let literal = panic::catch_unwind(|| panic!("no worker")).unwrap_err();
        assert_eq!(message(&*literal), "no worker");
        let name = std::hint::black_box("Budi");
        let formatted = panic::catch_unwind(|| panic!("cannot cut {name}")).unwrap_err();
        assert!(!message(&*formatted).contains("Budi"));
    }
}
