# lme4::lmer on a table of centred columns: restricted likelihood, estimates and standard errors, no posterior.
#
#   Rscript lmer.R TABLE.csv FORMULA REPEATS CALC_DERIVS
#
# Prints one line of JSON. The clock runs around lmer() alone: reading and library() are before it.
suppressPackageStartupMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(arguments[1], stringsAsFactors = TRUE)
formula <- as.formula(arguments[2])
repeats <- as.integer(arguments[3])
control <- lmerControl(calc.derivs = as.logical(arguments[4]))

peak_mb <- function() {
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character())
  line <- grep("^VmHWM", status, value = TRUE)
  if (length(line)) as.numeric(gsub("[^0-9]", "", line)) / 1024 else NA
}
# A boundary fit is recorded below as what it is; other remarks are kept word for word.
remarks <- character()
fit_once <- function() {
  withCallingHandlers(
    lmer(formula, data = rows, control = control),
    message = function(m) invokeRestart("muffleMessage"),
    warning = function(w) {
      remarks <<- union(remarks, conditionMessage(w))
      invokeRestart("muffleWarning")
    }
  )
}
before <- peak_mb()
cold <- system.time(fit <- fit_once())[["elapsed"]]
seconds <- if (repeats > 0) replicate(repeats, system.time(fit <- fit_once())[["elapsed"]]) else numeric()

number <- function(x) ifelse(is.na(x), "null", formatC(as.numeric(x), digits = 8, format = "g"))
vector <- function(x) paste0("[", paste(number(x), collapse = ", "), "]")
named <- function(x) paste0("{", paste(sprintf("\"%s\": %s", names(x), number(x)), collapse = ", "), "}")
text <- function(x) if (length(x)) paste0("\"", gsub("[\r\n]+", " ", gsub("([\"\\\\])", "\\\\\\1", x)), "\"")
scales <- as.data.frame(VarCorr(fit))
scales <- setNames(scales$sdcor, ifelse(is.na(scales$var1), "sigma", paste0(scales$grp, "[", scales$var1, "]")))
cat(sprintf(
  paste0(
    "{\"cold_seconds\": %s, \"seconds\": %s, \"peak_mb\": %s, \"start_mb\": %s, \"singular\": %s, ",
    "\"evaluations\": %s, \"remarks\": [%s], \"estimate\": %s, \"se\": %s, \"scales\": %s, ",
    "\"versions\": {\"R\": %s, \"lme4\": %s, \"BLAS\": %s}}\n"
  ),
  number(cold), vector(seconds), number(peak_mb()), number(before), tolower(isSingular(fit)),
  number(fit@optinfo$feval), paste(text(remarks), collapse = ", "), named(fixef(fit)),
  named(setNames(sqrt(diag(as.matrix(vcov(fit)))), names(fixef(fit)))), named(scales),
  text(paste(R.version$major, R.version$minor, sep = ".")), text(as.character(packageVersion("lme4"))),
  text(basename(extSoftVersion()[["BLAS"]]))
))
