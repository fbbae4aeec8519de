//! The fuzz targets of this crate: what a client sends before anything else is known about it. Only in tests and in
//! `make fuzz`.

mod form;
mod request_head;

pub use self::{form::form, request_head::request_head};

#[cfg(test)]
mod tests {
    #[test]
    fn short_round_of_form() {
        padan_fuzz_round::short_round("form", super::form);
    }

    #[test]
    fn short_round_of_request_head() {
        padan_fuzz_round::short_round("request_head", super::request_head);
    }
}
