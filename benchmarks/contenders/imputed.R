# Pooled estimates of tables that other packages impute: smcfcs's own ex_linquad and mi's nlsyV by smcfcs, and mitml's
# studentratings by jomo.
#
#   Rscript imputed.R FOLDER
#
# Writes the tables, with their gaps, into FOLDER, and prints one line of JSON.
suppressPackageStartupMessages({
  library(smcfcs)
  library(mitools)
  library(mitml)
  library(jomo)
  library(lme4)
})
folder <- commandArgs(trailingOnly = TRUE)[1]
IMPUTATIONS <- 100
set.seed(1)

write.csv(ex_linquad, file.path(folder, "quadratic.csv"), row.names = FALSE)
invisible(capture.output(
  imputed <- smcfcs(
    ex_linquad,
    smtype = "lm", smformula = "y ~ z + x + xsq", method = c("", "", "norm", "x^2", ""),
    m = IMPUTATIONS, numit = 20, rjlimit = 5000
  )
))
pooled <- MIcombine(lapply(imputed$impDatasets, function(rows) lm(y ~ z + x + xsq, rows)))
quadratic <- list(estimate = unname(coef(pooled)), se = unname(sqrt(diag(vcov(pooled)))), fmi = unname(pooled$missinfo))

data(studentratings)
write.csv(studentratings, file.path(folder, "schools.csv"), row.names = FALSE)
imputed <- jomoImpute(
  studentratings,
  formula = ReadDis + SES + MathAchiev ~ 1 + ReadAchiev + CognAbility + (1 | ID),
  n.burn = 2000, n.iter = 100, m = IMPUTATIONS, seed = 1, silent = TRUE
)
fits <- with(mitmlComplete(imputed, "all"), lmer(ReadAchiev ~ SES + ReadDis + CognAbility + (1 | ID)))
pooled <- testEstimates(fits)$estimates
schools <- list(
  estimate = unname(pooled[, "Estimate"]), se = unname(pooled[, "Std.Error"]), fmi = unname(pooled[, "FMI"])
)

data(nlsyV, package = "mi")
children <- with(nlsyV, data.frame(
  ppvt = as.numeric(ppvtr.36), first_born = first, married = factor(b.marr), log_income = log(income + 1), age = momage,
  education = as.numeric(momed), race = factor(momrace)
))
write.csv(children, file.path(folder, "children.csv"), row.names = FALSE)
form <- ppvt ~ first_born + married + log_income + age + education + race
invisible(capture.output(
  imputed <- smcfcs(
    children,
    smtype = "lm", smformula = deparse1(form), method = c("", "", "logreg", "norm", "", "norm", "mlogit"),
    m = IMPUTATIONS, numit = 10, rjlimit = 1000
  )
))
pooled <- MIcombine(lapply(imputed$impDatasets, function(rows) lm(form, rows)))
children <- list(estimate = unname(coef(pooled)), se = unname(sqrt(diag(vcov(pooled)))), fmi = unname(pooled$missinfo))

json <- function(values) paste0("[", paste(sprintf("%.8g", values), collapse = ","), "]")
table <- function(one) {
  sprintf('{"estimate":%s,"se":%s,"fmi":%s}', json(one$estimate), json(one$se), json(one$fmi))
}
cat(sprintf(
  '{"quadratic":%s,"schools":%s,"children":%s,"versions":{"smcfcs":"%s","jomo":"%s","mitml":"%s"}}\n',
  table(quadratic), table(schools), table(children), packageVersion("smcfcs"), packageVersion("jomo"),
  packageVersion("mitml")
))
