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
    ROW,  # column: address of the entry's row of float64 scalars
    NUMBERS,  # numbers kept per parameter, each a tensor of no dimensions: the step count, and what a rule remembers
    NUMBER_OBJECTS,  # NUMBERS columns of their Python objects
    NUMBER_DATA,  # NUMBERS columns, written here: addresses of their values
    NUMBER_KEYS,  # dispatch keys and dtype number of all of them
    NUMBER_DTYPE,
    NUMBER_DOUBLE,  # 1: they are float64, 0: float32
    NUMBERS_AT,  # word of a row after which their new values stand, followed by those before the step
    IDLE,  # number of parameters without a gradient
    IDLE_OBJECTS,  # their objects
    UNDEFINED,  # the tensor that stands for no gradient
    WRITTEN,  # number of memory spans that the launch writes to
    WRITTEN_FROM,  # column: their first addresses, ascending
    WRITTEN_TO,  # column: their ends
    KERNEL,  # address of the compiled kernel
    THREADS,  # threads to use; <= 1: the calling one
    RECORD,  # 1: write KEYS, DTYPES, DIMENSIONS and ADDRESSES; 0: compare with them
    MODE,  # what to do: CHECK + RUN + FINISH
    IMPL_AT,  # offset of the tensor in a Python tensor object
    KEYS_AT,  # offset of the dispatch keys in a tensor
    SCRATCH,  # address of 8 words for return values
    FAILED,  # written: the entry at which a check failed
    NORMS,  # column: addresses of each entry's sums of squared gradients, a float64 for each CHUNK
    WORDS_KEPT,  # number of state tensors that keep numbers for blocks beside their codes
    WORD_OBJECTS,  # WORDS_KEPT columns of their Python objects
    WORD_KEYS,  # WORDS_KEPT columns of their dispatch keys
    WORD_DATA,  # WORDS_KEPT columns of their addresses
    FIRST_BLOCK,  # column: blocks of all parameters before the entry's
    STATS,  # column: addresses of each entry's statistics, len(STATISTICS) float64 for each CHUNK
    WORDS,
) = range(41)

# MODE: check that everything is as it was; run the kernel; count the step and tell autograd what was written.
CHECK, RUN, FINISH = 1, 2, 4

# Words of a row: the prologue's scalars, then the rule's own.
SCALE, KEEP, L2, CLIP, FACTOR, SCALARS = range(6)

# What native code answers.
DONE, CHANGED = 0, 1

# Kernels go through a tensor in blocks of so many elements; bytes of a cache line.
BLOCK, LINE = 128, 64

# Threads divide the elements, not the tensors; a cut inside a tensor falls on a multiple of this many elements, so that
# no two threads write to one cache line. Sums are kept for every such chunk and added up in order.
CHUNK = 1024

# What a kernel counts for each chunk: sums of squares of the gradient, the update and the new parameter, and how many
# gradients are zero and not finite.
STATISTICS = ("grad", "update", "param", "zeros", "nonfinite")
