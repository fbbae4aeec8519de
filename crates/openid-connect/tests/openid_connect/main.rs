//! What counts as a sign-in, also at a provider that misbehaves.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod tokens;
