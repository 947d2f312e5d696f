"""Who may do what on the cluster: what each role needs, derived from contracts and declarations, as Kafka's ACLs."""
