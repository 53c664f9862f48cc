//! The graph of a project: what is built on what, and what does not fit together.

mod build;
mod cycles;
mod finish;
mod naming;
mod order;
mod overrides;
mod pipelines;
mod sequences;
mod streams;
#[cfg(test)]
mod tests;
mod triggers;

pub(crate) use build::like;

use crate::Files;
use crate::finding::Finding;
use crate::model::Project;
use crate::place::Place;

/// Images and what they need, as a graph without cycles: edges that close a cycle are findings.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// First the project's images in their order, then its bases, then images from outside in the order of their names.
    pub nodes: Vec<Node>,
    /// Sorted by who needs, then by place.
    pub edges: Vec<Edge>,
    /// Those that would close a cycle, which is a finding: nothing can be built in their order.
    pub closing: Vec<Edge>,
    /// What is wrong or doubtful, sorted by place. Those of the project itself are not repeated here.
    pub findings: Vec<Finding>,
}

/// A node's number in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// An image, a base, or an image from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// An image's or a base's name in the project; else the reference, in its short form.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Where it is declared; for an image from outside, where it is first used.
    pub place: Place,
}

/// What a [`Node`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// [`Project::images`], by number.
    Image(usize),
    /// [`Project::bases`], by number.
    Base(usize),
    /// Built elsewhere.
    External,
}

/// One image's need of another. A pair of images has several where it is named at several places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// What is used: the base of a FROM.
    pub from: NodeId,
    /// Who uses it.
    pub to: NodeId,
    /// How.
    pub kind: EdgeKind,
    /// Where it says so: the line of the Dockerfile, or of the declaration that overrides it.
    pub place: Place,
    /// The name as it is written there, expanded.
    pub reference: String,
}

/// How an image uses another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// The base of the stage that becomes the image.
    From,
    /// The base of another stage that the image needs.
    StageFrom,
    /// `COPY --from`.
    Copy,
    /// `RUN --mount=from`.
    Mount,
    /// An ONBUILD instruction of a base.
    Onbuild,
    /// Files of an image in the build context: `source.images`.
    Input,
}

/// The graph of a project.
pub fn graph(project: &Project, files: &dyn Files) -> Graph {
    build::build(project, files)
}

impl EdgeKind {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            EdgeKind::From => "from",
            EdgeKind::StageFrom => "stage-from",
            EdgeKind::Copy => "copy-from",
            EdgeKind::Mount => "mount-from",
            EdgeKind::Onbuild => "onbuild",
            EdgeKind::Input => "input",
        }
    }
}

impl NodeKind {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            NodeKind::Image(_) => "image",
            NodeKind::Base(_) => "base",
            NodeKind::External => "external",
        }
    }
}

impl Graph {
    /// The node of a project's image, by the image's number.
    pub fn node_of(&self, image: usize) -> NodeId {
        NodeId(image)
    }

    /// The project's image that a node is, by number.
    pub fn image_of(&self, node: NodeId) -> Option<usize> {
        match self.nodes.get(node.0)?.kind {
            NodeKind::Image(image) => Some(image),
            _ => None,
        }
    }

    /// What a node needs.
    pub fn needs(&self, node: NodeId) -> impl Iterator<Item = &Edge> {
        // Edges are sorted by who needs.
        let start = self.edges.partition_point(|edge| edge.to < node);
        self.edges[start..].iter().take_while(move |edge| edge.to == node)
    }

    /// The project's images in waves: each needs only images of waves before it. Within a wave in the order of the project.
    pub fn waves(&self) -> Vec<Vec<usize>> {
        order::waves(self)
    }

    /// The images with everything of the project that they need, in an order to build them in.
    pub fn closure(&self, images: &[usize]) -> Vec<usize> {
        order::closure(self, images)
    }

    /// The images that are built when nobody names one: those that the project wants, and what they need.
    pub fn wanted(&self, project: &Project) -> Vec<usize> {
        let wanted: Vec<usize> =
            project.images.iter().enumerate().filter(|(_, image)| image.wanted).map(|(at, _)| at).collect();
        self.closure(&wanted)
    }

    /// The images that need one of these, directly or not, without these themselves, in an order to build them in.
    pub fn dependents(&self, nodes: &[NodeId]) -> Vec<usize> {
        order::dependents(self, nodes)
    }
}
