use padan_testing::Checkout;

/// A checkout in which the program is started.
pub(crate) fn checkout() -> Checkout {
    Checkout::for_program(env!("CARGO_BIN_EXE_padan"))
}
