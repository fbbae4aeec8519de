//! Single statements, as the macros of sqlx make them.

use futures_util::{FutureExt as _, TryFutureExt as _, future::BoxFuture};
use sqlx::{
    FromRow, PgConnection, Postgres,
    postgres::{PgArguments, PgRow},
    query::{Map, Query, QueryScalar},
};

use crate::{fault::Fault, pool::Pool};

/// A statement with its arguments, without rows, as `query!` makes it.
pub type Command = Query<'static, Postgres, PgArguments>;

/// A statement with its arguments that returns rows, as `query!`, `query_as!` and `query_scalar!` make it.
pub trait Selection {
    /// What a row becomes.
    type Row: Send;

    /// Returns the one row; an error when there is none.
    fn one(self, connection: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Self::Row>>;

    /// Returns the first row; `None` when there is none.
    fn optional(self, connection: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Option<Self::Row>>>;

    /// Returns all rows.
    fn all(self, connection: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Vec<Self::Row>>>;
}

/// Each of these calls `query` once for each attempt, and runs what it makes as [`run`](Self::run) does.
///
/// The futures are boxed: the compiler cannot find out whether one that has the type of a statement is `Send`.
impl Pool {
    /// Runs a statement without rows. Returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn execute<'p>(
        &'p self,
        query: impl Fn() -> Command + Send + Sync + 'p,
    ) -> BoxFuture<'p, Result<u64, Fault>> {
        let execute = async move {
            self.run(
                |connection, query| query().execute(connection).map_ok(|done| done.rows_affected()).boxed(),
                &query,
            )
            .await
        };
        execute.boxed()
    }

    /// Runs a statement and returns its one row.
    ///
    /// # Errors
    ///
    /// When there is no row; otherwise as for [`run`](Self::run).
    pub fn fetch_one<'p, S: Selection>(
        &'p self,
        query: impl Fn() -> S + Send + Sync + 'p,
    ) -> BoxFuture<'p, Result<S::Row, Fault>> {
        async move { self.run(|connection, query| query().one(connection), &query).await }.boxed()
    }

    /// Runs a statement and returns its first row; `None` when there is none.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn fetch_optional<'p, S: Selection>(
        &'p self,
        query: impl Fn() -> S + Send + Sync + 'p,
    ) -> BoxFuture<'p, Result<Option<S::Row>, Fault>> {
        async move { self.run(|connection, query| query().optional(connection), &query).await }.boxed()
    }

    /// Runs a statement and returns all its rows.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn fetch_all<'p, S: Selection>(
        &'p self,
        query: impl Fn() -> S + Send + Sync + 'p,
    ) -> BoxFuture<'p, Result<Vec<S::Row>, Fault>> {
        async move { self.run(|connection, query| query().all(connection), &query).await }.boxed()
    }
}

macro_rules! select {
    () => {
        type Row = T;

        fn one(self, connection: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<T>> {
            self.fetch_one(connection).boxed()
        }

        fn optional(self, connection: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Option<T>>> {
            self.fetch_optional(connection).boxed()
        }

        fn all(self, connection: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Vec<T>>> {
            self.fetch_all(connection).boxed()
        }
    };
}

impl<F, T> Selection for Map<'static, Postgres, F, PgArguments>
where
    F: FnMut(PgRow) -> sqlx::Result<T> + Send + 'static,
    T: Send + Unpin + 'static,
{
    select!();
}

impl<T> Selection for QueryScalar<'static, Postgres, T, PgArguments>
where
    (T,): for<'r> FromRow<'r, PgRow>,
    T: Send + Unpin + 'static,
{
    select!();
}
