//! Digests, references, manifests, layers and the store.
