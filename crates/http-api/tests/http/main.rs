//! The HTTP contract against a service within this process: real models, a real PostgreSQL.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod face_match;
#[cfg(test)]
mod json;
#[cfg(test)]
mod liveness_gate;
#[cfg(test)]
mod management;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod names;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod passive_liveness;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod sdk_forms;
#[cfg(test)]
mod senders;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod trials;
#[cfg(test)]
mod wrong_input;
