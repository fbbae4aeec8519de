//! Rewrites a published model file, once, into one that ONNX Runtime runs faster and at any input size.
//!
//! Start at [`prepare`]. A step that finds nothing to do changes nothing, so a prepared file stays the same. The
//! result is deterministic: a manifest pins it by its SHA-256.

mod batches;
mod dynamic_size;
mod eight_bit_layers;
mod eight_bits;
mod graph;
mod part;
mod prelu;
mod weights_out;

use std::collections::HashSet;

use bytes::Bytes;
use prost::{DecodeError, Message as _};

pub(crate) use self::{
    batches::with_batches, eight_bit_layers::with_eight_bit_layers, part::graph_part,
    weights_out::take_weights_out_of_inputs,
};
use crate::{
    model_error::ModelError,
    onnx::{self, GraphProto, ModelProto},
    preparation_step::PreparationStep,
    prepare::graph::value_names,
};

/// Earlier versions of the format require every weight to be an input.
const FIRST_WITHOUT_WEIGHTS_AS_INPUTS: i64 = 4;

const WEIGHTS_IN_SECOND_FILE: &str = "the weights are in a second file; save the model as one file first";

/// Applies the steps, in order, to the bytes of an ONNX file.
///
/// # Errors
///
/// [`ModelError::Graph`] when the bytes are not an ONNX graph, or a step cannot be applied to it.
pub fn prepare(bytes: &[u8], steps: &[PreparationStep]) -> Result<Vec<u8>, ModelError> {
    if steps.is_empty() {
        return Ok(bytes.to_vec());
    }
    let mut model = decode(Bytes::copy_from_slice(bytes))?;
    for step in steps {
        apply(step, &mut model)?;
    }
    Ok(model.encode_to_vec())
}

fn decode(bytes: Bytes) -> Result<ModelProto, ModelError> {
    ModelProto::decode(bytes).map_err(|error| not_an_onnx_file(&error))
}

fn not_an_onnx_file(error: &DecodeError) -> ModelError {
    ModelError::Graph(format!("the file is not an ONNX file ({error})"))
}

fn apply(step: &PreparationStep, model: &mut ModelProto) -> Result<(), ModelError> {
    let Some(graph) = model.graph.as_mut() else {
        return Err(ModelError::Graph("the file has no graph".to_owned()));
    };
    if graph.initializer.iter().any(|tensor| tensor.data_location == Some(onnx::EXTERNAL)) {
        return Err(ModelError::Graph(WEIGHTS_IN_SECOND_FILE.to_owned()));
    }
    match step {
        PreparationStep::WeightsOutOfInputs => {
            remove_weights_from_inputs(graph);
            model.ir_version = model.ir_version.max(Some(FIRST_WITHOUT_WEIGHTS_AS_INPUTS));
            Ok(())
        }
        PreparationStep::PreluByConvolutions => prelu::rewrite(graph),
        PreparationStep::EightBitGemm => eight_bits::rewrite(model),
        PreparationStep::DynamicSize => dynamic_size::rewrite(graph),
        PreparationStep::Rename { from, to } => rename(graph, from, to),
    }
}

fn remove_weights_from_inputs(graph: &mut GraphProto) {
    let weights: HashSet<_> = graph.initializer.iter().map(|tensor| tensor.name().to_owned()).collect();
    graph.input.retain(|input| !weights.contains(input.name()));
}

fn rename(graph: &mut GraphProto, from: &str, to: &str) -> Result<(), ModelError> {
    let interface = || graph.input.iter().chain(&graph.output);
    if interface().any(|value| value.name() == to) {
        return Ok(());
    }
    if !interface().any(|value| value.name() == from) {
        return Err(ModelError::Graph(format!("there is no input or output named {from}")));
    }
    if value_names(graph).contains(to) {
        return Err(ModelError::Graph(format!("{to} is already the name of an inner value")));
    }
    let interface = graph.input.iter_mut().chain(&mut graph.output).filter_map(|value| value.name.as_mut());
    let inner = graph.node.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output));
    let described = graph.value_info.iter_mut().filter_map(|value| value.name.as_mut());
    for name in interface.chain(inner).chain(described).filter(|name| *name == from) {
        to.clone_into(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
