//! Rewrites a published model file, once, into one that ONNX Runtime runs fast and at any size.
//!
//! Enter with [`prepare`]. A step leaves alone what it has nothing to do to, so that a file already prepared
//! comes out as it went in. The same bytes give the same bytes: a manifest pins the result by its SHA-256.

mod dynamic_size;
mod eight_bits;
mod prelu;

use std::collections::HashSet;

use prost::Message as _;
use serde::{Deserialize, Serialize};

use crate::{
    manifest::ModelError,
    onnx::{self, GraphProto, ModelProto},
};

/// Before this version of the format every weight had to be an input.
const FIRST_WITHOUT_WEIGHTS_AS_INPUTS: i64 = 4;

/// One rewriting of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Takes the weights out of the list of inputs. As inputs they could be replaced in each run, so the
    /// runtime would neither fold nor pack them.
    WeightsOutOfInputs,
    /// Writes a `PRelu` with a slope for each channel as two scalings and a `Relu`, which the runtime fuses
    /// with the convolutions beside them.
    PreluByConvolutions,
    /// Writes a fully connected layer with 8 bits a weight, a scale for every 32 of them.
    EightBitGemm,
    /// Names height and width instead of fixing them.
    DynamicSize,
    /// Renames an input or output.
    Rename {
        /// The name in the published file.
        from: String,
        /// The name in the prepared one.
        to: String,
    },
}

/// Takes the steps in turn on the bytes of an ONNX file.
pub fn prepare(bytes: &[u8], steps: &[Step]) -> Result<Vec<u8>, ModelError> {
    if steps.is_empty() {
        return Ok(bytes.to_vec());
    }
    let mut model = ModelProto::decode(bytes)
        .map_err(|error| ModelError::Graph(format!("it is no ONNX file ({error})")))?;
    for step in steps {
        apply(step, &mut model)?;
    }
    Ok(model.encode_to_vec())
}

fn apply(step: &Step, model: &mut ModelProto) -> Result<(), ModelError> {
    let Some(graph) = model.graph.as_mut() else {
        return Err(ModelError::Graph("it holds no graph".to_owned()));
    };
    if graph.initializer.iter().any(|tensor| tensor.data_location == Some(onnx::EXTERNAL)) {
        return Err(ModelError::Graph(
            "it keeps its weights in a second file; save it as one file first".to_owned(),
        ));
    }
    match step {
        Step::WeightsOutOfInputs => {
            take_weights_out_of_inputs(graph);
            model.ir_version = model.ir_version.max(Some(FIRST_WITHOUT_WEIGHTS_AS_INPUTS));
            Ok(())
        }
        Step::PreluByConvolutions => prelu::rewrite(graph),
        Step::EightBitGemm => eight_bits::rewrite(model),
        Step::DynamicSize => dynamic_size::rewrite(graph),
        Step::Rename { from, to } => rename(graph, from, to),
    }
}

fn take_weights_out_of_inputs(graph: &mut GraphProto) {
    let weights: HashSet<_> = graph.initializer.iter().map(|tensor| tensor.name().to_owned()).collect();
    graph.input.retain(|input| !weights.contains(input.name()));
}

fn rename(graph: &mut GraphProto, from: &str, to: &str) -> Result<(), ModelError> {
    let ends = || graph.input.iter().chain(&graph.output);
    if ends().any(|end| end.name() == to) {
        return Ok(());
    }
    if !ends().any(|end| end.name() == from) {
        return Err(ModelError::Graph(format!("it has neither an input nor an output {from}")));
    }
    if names(graph).contains(to) {
        return Err(ModelError::Graph(format!("{to} is already the name of an inner value")));
    }
    let ends = graph.input.iter_mut().chain(&mut graph.output).filter_map(|end| end.name.as_mut());
    let inner = graph.node.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output));
    let described = graph.value_info.iter_mut().filter_map(|value| value.name.as_mut());
    for name in ends.chain(inner).chain(described).filter(|name| *name == from) {
        to.clone_into(name);
    }
    Ok(())
}

/// Drops the weights that no node reads any more and nobody can set.
fn drop_unused_weights(graph: &mut GraphProto) {
    let used: HashSet<_> = graph.node.iter().flat_map(|node| node.input.iter().cloned()).collect();
    let given: HashSet<_> = graph.input.iter().map(|input| input.name().to_owned()).collect();
    graph.initializer.retain(|weight| used.contains(weight.name()) || given.contains(weight.name()));
}

/// Every name that a value of the graph bears.
fn names(graph: &GraphProto) -> HashSet<&str> {
    let ends = graph.input.iter().chain(&graph.output).map(onnx::ValueInfoProto::name);
    let weights = graph.initializer.iter().map(onnx::TensorProto::name);
    let inner = graph.node.iter().flat_map(|node| node.output.iter().map(String::as_str));
    ends.chain(weights).chain(inner).collect()
}

#[cfg(test)]
mod tests;
