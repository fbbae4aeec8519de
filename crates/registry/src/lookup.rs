use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, future::BoxFuture};
use padan_postgres::Statement;
use parking_lot::Mutex;
use sqlx::PgConnection;

/// A look-up by NIK, in two forms.
pub(crate) struct Lookup<A, T> {
    /// By the function `padan.citizen_of`, which gives one person.
    pub(crate) by_function: Statement<A, T>,
    /// By the view `padan.citizen`, for a registry without the function.
    pub(crate) by_view: Statement<A, T>,
}

/// What a replica is asked.
pub(crate) enum Question<'q, A, T> {
    /// The same for every replica.
    Statement(Statement<A, T>),
    /// In the form that the replica allows.
    Lookup(&'q Lookup<A, T>),
}

/// What the role of a connection may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupRights {
    /// Whether the function `padan.citizen_of` exists and the role may call it.
    pub function: bool,
    /// Whether the role may read the whole view.
    pub view: bool,
}

/// A look-up on a replica, of which it is known or asked whether it has the function.
pub(crate) struct Asking<'q, A, T> {
    pub(crate) lookup: &'q Lookup<A, T>,
    pub(crate) argument: &'q A,
    pub(crate) function: &'q KnownFunction,
}

/// Whether a replica has the function, as far as it is known.
#[derive(Default)]
pub(crate) struct KnownFunction(Mutex<Option<(bool, Instant)>>);

/// After this time, a replica without the function is asked again.
const ASK_AGAIN: Duration = Duration::from_mins(1);

impl KnownFunction {
    fn get(&self) -> Option<bool> {
        let known = *self.0.lock();
        known.filter(|(exists, asked)| *exists || asked.elapsed() < ASK_AGAIN).map(|(exists, _)| exists)
    }

    fn set(&self, exists: bool) {
        *self.0.lock() = Some((exists, Instant::now()));
    }

    /// Forgets it, because a look-up by the function failed.
    pub(crate) fn forget(&self) {
        *self.0.lock() = None;
    }
}

/// Looks a person up, and first asks for the function on the same connection if that is not known.
pub(crate) fn ask<'c, A: Sync, T: Send>(
    connection: &'c mut PgConnection,
    asking: &'c Asking<'_, A, T>,
) -> BoxFuture<'c, sqlx::Result<T>> {
    async move {
        let has_function = if let Some(known) = asking.function.get() {
            known
        } else {
            let found = rights(connection, &()).await?.function;
            asking.function.set(found);
            found
        };
        let statement = if has_function { asking.lookup.by_function } else { asking.lookup.by_view };
        statement(connection, asking.argument).await
    }
    .boxed()
}

pub(crate) fn rights<'c>(
    connection: &'c mut PgConnection,
    (): &'c (),
) -> BoxFuture<'c, sqlx::Result<LookupRights>> {
    sqlx::query_as!(
        LookupRights,
        r#"SELECT coalesce(has_function_privilege(to_regprocedure('padan.citizen_of(text)'), 'EXECUTE'), false)
                      AS "function!",
                  coalesce(has_table_privilege(to_regclass('padan.citizen'), 'SELECT'), false) AS "view!""#
    )
    .fetch_one(connection)
    .boxed()
}
