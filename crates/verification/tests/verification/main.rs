//! The use cases over a real PostgreSQL.

#[cfg(test)]
mod quotas;
