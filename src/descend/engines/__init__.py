"""How a rule runs: `eager` on torch operations, `cpu` as compiled multi-tensor kernels; `plan` assigns them."""
