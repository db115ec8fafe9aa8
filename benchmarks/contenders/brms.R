# brms on a table of centred columns, all factors sampled: its group effects do not sum to zero, so provider type and sex
# differ slightly from the package's. Stan compiles the model before the clock of sampling starts; both are printed.
#
#   Rscript brms.R TABLE.csv DRAWS CHAINS SEED CORES
suppressPackageStartupMessages(library(brms))
a <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(a[1], stringsAsFactors = TRUE)
draws <- as.integer(a[2])
formula <- bf(
  who5_followup ~ alliance + who5_baseline + age + days_in_care +
    (alliance || provider_type) + (alliance || sex) + (alliance || country)
)
prior <- c(
  set_prior("normal(50, 25)", class = "Intercept"),
  set_prior("normal(4.071429, 2.714286)", class = "b", coef = "alliance"),
  set_prior("normal(0, 1)", class = "b", coef = "who5_baseline"),
  set_prior("normal(0, 1)", class = "b", coef = "age"),
  set_prior("normal(0, 0.5)", class = "b", coef = "days_in_care"),
  set_prior("normal(0, 25)", class = "sigma"),
  do.call(c, lapply(c("provider_type", "sex", "country"), function(g) {
    c(
      set_prior("normal(0, 5)", class = "sd", group = g, coef = "Intercept"),
      set_prior("normal(0, 2)", class = "sd", group = g, coef = "alliance")
    )
  }))
)
compiling <- system.time(
  empty <- suppressMessages(brm(formula, rows, prior = prior, chains = 0, silent = 2, refresh = 0))
)[["elapsed"]]
sampling <- system.time(
  fit <- suppressWarnings(suppressMessages(update(
    empty,
    chains = as.integer(a[3]), iter = draws + 1000, warmup = 1000, seed = as.integer(a[4]), cores = as.integer(a[5]),
    recompile = FALSE, silent = 2, refresh = 0
  )))
)[["elapsed"]]
ess <- posterior::summarise_draws(posterior::as_draws(fit), "ess_bulk")
ess <- ess[!ess$variable %in% c("lp__", "lprior"), ]
slope <- as.matrix(fit, variable = "b_alliance")
stuck <- subset(nuts_params(fit), Parameter == "divergent__")
cat(sprintf(
  paste0(
    "{\"seconds\": [%.3f], \"compile_seconds\": %.3f, \"sample_seconds\": %.3f, \"ess\": %.1f, \"divergences\": %d, ",
    "\"slope\": %.6f, \"slope_sd\": %.6f, \"versions\": {\"R\": \"%s.%s\", \"brms\": \"%s\", \"rstan\": \"%s\"}}\n"
  ),
  compiling + sampling, compiling, sampling, min(ess$ess_bulk, na.rm = TRUE), as.integer(sum(stuck$Value)),
  mean(slope), sd(slope), R.version$major, R.version$minor, packageVersion("brms"), packageVersion("rstan")
))
