# rstanarm on a table of centred columns: compiled in advance, all factors sampled, and scales under its own decov prior,
# the nearest it has.
#
#   Rscript rstanarm.R TABLE.csv DRAWS CHAINS SEED CORES
suppressPackageStartupMessages(library(rstanarm))
a <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(a[1], stringsAsFactors = TRUE)
draws <- as.integer(a[2])
seconds <- system.time(
  fit <- suppressWarnings(suppressMessages(stan_lmer(
    who5_followup ~ alliance + who5_baseline + age + days_in_care +
      (alliance || provider_type) + (alliance || sex) + (alliance || country),
    data = rows,
    prior_intercept = normal(50, 25), prior = normal(c(4.071429, 0, 0, 0), c(2.714286, 1, 1, 0.5)),
    prior_aux = normal(0, 25), prior_covariance = decov(scale = 0.2),
    chains = as.integer(a[3]), iter = draws + 1000, warmup = 1000, seed = as.integer(a[4]), cores = as.integer(a[5]),
    refresh = 0
  )))
)[["elapsed"]]
every <- posterior::summarise_draws(posterior::as_draws_array(as.array(fit$stanfit)), "ess_bulk")
every <- every[!every$variable %in% c("lp__", "log-posterior", "mean_PPD"), ]
slope <- as.matrix(fit, pars = "alliance")
stuck <- rstan::get_num_divergent(fit$stanfit)
cat(sprintf(
  paste0(
    "{\"seconds\": [%.3f], \"ess\": %.1f, \"divergences\": %d, \"slope\": %.6f, \"slope_sd\": %.6f, ",
    "\"versions\": {\"R\": \"%s.%s\", \"rstanarm\": \"%s\", \"rstan\": \"%s\"}}\n"
  ),
  seconds, min(every$ess_bulk, na.rm = TRUE), as.integer(stuck), mean(slope), sd(slope),
  R.version$major, R.version$minor, packageVersion("rstanarm"), packageVersion("rstan")
))
