"""The table that the shell fills and native code reads: word numbers of a job's header (int64 words).

"Column" below means one int64 per tensor entry; addresses of columns stand in the header.
"""

(
    ENTRIES,  # number of tensors to update
    COLUMNS,  # tensors per entry: parameter, gradient, present buffers
    TOTAL,  # elements in all (reals)
    ADDRESSES,  # COLUMNS columns of data addresses
    OBJECTS,  # COLUMNS columns of Python object addresses (gradient column unused)
    KEYS,  # COLUMNS columns of dispatch keys
    DTYPES,  # COLUMNS columns of torch's dtype numbers
    RANKS,  # column: number of dimensions
    DIMENSIONS,  # column: address of the entry's sizes, followed by its strides
    STARTS,  # column (one longer): elements before the entry
    GRAD_BYTES,  # column: bytes of the gradient
    ROW,  # column: address of the entry's row of float64 scalars; word 0 is the step number
    STEPS,  # column of step tensors' objects, 0: steps are not counted
    STEP_DATA,  # column, written here: address of the step's value
    STEP_KEYS,  # dispatch keys and dtype number of every step tensor
    STEP_DTYPE,
    STEP_DOUBLE,  # 1: steps are float64, 0: float32
    IDLE,  # number of parameters without a gradient
    IDLE_OBJECTS,  # their objects
    UNDEFINED,  # the tensor that stands for no gradient
    WRITTEN,  # number of memory spans that the launch writes to
    WRITTEN_FROM,  # column: their first addresses, ascending
    WRITTEN_TO,  # column: their ends
    KERNEL,  # address of the compiled kernel
    THREADS,  # threads to use; <= 1: the calling one
    RECORD,  # 1: write KEYS, DTYPES, DIMENSIONS and ADDRESSES; 0: compare with them
    CHECK_ONLY,  # 1: change nothing
    IMPL_AT,  # offset of the tensor in a Python tensor object
    KEYS_AT,  # offset of the dispatch keys in a tensor
    SCRATCH,  # address of 8 words for return values
    FAILED,  # written: the entry at which a check failed
    WORDS,
) = range(32)

# Words in front of the rule's own scalars in a row.
STEP_NUMBER, SCALE, KEEP, L2, SCALARS = range(5)

# What native code answers.
DONE, CHANGED = 0, 1
