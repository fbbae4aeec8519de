//! Parts of the store, so that a parameter says what is used. All of them share one pool.

use std::sync::Arc;

use crate::store::{Parts, Store};

macro_rules! handles {
    ($($(#[$doc:meta])+ $method:ident -> $handle:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone)]
        pub struct $handle(pub(crate) Arc<Parts>);

        impl Store {
            $(#[$doc])+
            pub fn $method(&self) -> $handle {
                $handle(Arc::clone(&self.0))
            }
        }
    )+};
}

handles! {
    /// Face templates, what is drawn from them, and cohorts. Cheap to clone.
    templates -> Templates;
    /// The clients. Cheap to clone.
    clients -> Clients;
    /// How much of the clients' quotas is used. Cheap to clone.
    quotas -> Quotas;
    /// The accounts of operators, their sessions, and how they sign in. Cheap to clone.
    operators -> Operators;
    /// Exports and enrolments that operators start. Cheap to clone.
    jobs -> Jobs;
}
