# How cohort.rds and haven.rds were made: Rscript make.R
d <- read.csv("cohort.csv", colClasses = c(participant_id = "character"), na.strings = "", encoding = "UTF-8")
d$country <- factor(d$country, levels = c("Germany", "Ireland", "Zambia"))
d$sex <- factor(d$sex, levels = c("male", "female"))
d$visited <- as.Date(d$visited)
saveRDS(d, "cohort.rds", compress = "xz")
sex <- structure(c(1, 2, NA, 1), labels = c(male = 1, female = 2), label = "Sex at birth", class = c("haven_labelled", "vctrs_vctr", "double"))
h <- data.frame(id = 1:4, done = c(TRUE, NA, FALSE, TRUE))
h$sex <- sex
h$at <- as.POSIXct(c("2024-03-01 10:00", "2024-07-01 10:00", NA, "2024-07-01 10:00"), tz = "Europe/Berlin")
h$parts <- list(1, 2, 3, 4)
h$name <- c("\u00e4", NA, "b", "c")
saveRDS(h, "haven.rds", version = 2)
