// Every metric: one file, one line here.
//   X(definition)   the MetricDefinition that kernels/metrics/<name>.cpp defines
#define NS_METRICS(X) \
  X(kTop1)            \
  X(kTop5)
