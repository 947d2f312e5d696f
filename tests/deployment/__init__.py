"""What runs a project: manifests for Kubernetes, monitoring, workflows; each checked by who knows them."""
