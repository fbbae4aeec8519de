//! The operator who signs in to the demo's console.

use anyhow::{Context, Result};
use padan::in_process;
use padan_domain::{OperatorName, OperatorRole};
use padan_store::{ClientSecret, NewOperator, OperatorPassword, Store};

/// The name of the operator.
pub(super) const NAME: &str = "demo";

/// Adds the operator, unless a kept store has it already, and gives it the password.
pub(super) async fn prepare(store: &Store, password: &str) -> Result<()> {
    let administration = in_process::administration(store);
    let name: OperatorName = NAME.parse()?;
    let operator = NewOperator {
        name: name.clone(),
        role: OperatorRole::Operator,
        token: ClientSecret::generate()?,
        expires_at: None,
    };
    administration.add_operator(&operator).await.context("cannot add the operator of the demo")?;
    let password: OperatorPassword = password.parse()?;
    let set = administration.set_operator_password(&name, password.hash()?).await;
    administration.finish().await;
    set.map(drop).context("cannot set the password of the operator of the demo")
}
