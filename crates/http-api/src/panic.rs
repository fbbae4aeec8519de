use std::{any::Any, panic};

/// Makes panics say where they happened and not what they were made of.
///
/// The usual report prints the panic's message, and a message may quote a text that was being worked on: a
/// name, a date. A literal message is printed; one that was formatted is withheld. Call it once, at start.
pub fn report_panics_without_data() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(place, message = message(panic.payload()), "a thread panicked");
    }));
}

/// The message, when it is a literal of the code and so holds no data.
pub(crate) fn message(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(withheld, since it may hold data)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_literal_is_repeated() {
        let literal = panic::catch_unwind(|| panic!("no worker")).unwrap_err();
        assert_eq!(message(&*literal), "no worker");
        let name = std::hint::black_box("Budi");
        let formatted = panic::catch_unwind(|| panic!("cannot cut {name}")).unwrap_err();
        assert!(!message(&*formatted).contains("Budi"));
    }
}
