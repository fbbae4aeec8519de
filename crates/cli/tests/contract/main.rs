//! The HTTP contract against the running service: the program itself, real models, a real PostgreSQL.

#[cfg(test)]
mod administration;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod calibration;
#[cfg(test)]
mod centred_scale;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod cohort_scale;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod face_match;
#[cfg(test)]
mod json;
#[cfg(test)]
mod json_output;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod live_measurement;
#[cfg(test)]
mod liveness_gate;
#[cfg(test)]
mod log;
#[cfg(test)]
mod management;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod names;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod passive_liveness;
#[cfg(test)]
mod people;
#[cfg(test)]
mod photos;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod sdk_forms;
#[cfg(test)]
mod senders;
#[cfg(test)]
mod service;
#[cfg(test)]
mod shadow;
#[cfg(test)]
mod site;
#[cfg(test)]
mod status;
#[cfg(test)]
mod template_keys;
#[cfg(test)]
mod template_remains;
#[cfg(test)]
mod tinted_people;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod trials;
#[cfg(test)]
mod wrong_input;
