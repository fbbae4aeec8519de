//! The registry on a real PostgreSQL: its answers and its failures.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod fixture;
mod lag;
#[cfg(test)]
mod lookups;
#[cfg(test)]
mod poolers;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod standby;
