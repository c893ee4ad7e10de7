"""The works a report may have to cite, each with what it was used for."""

CITATIONS = {
    "conformal": "J. Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018), doi:10.1080/01621459.2017.1307116: "
    "intervals from residuals of molecules that were left out.",
    "wilcoxon": "F. Wilcoxon, Biometrics Bull. 1, 80 (1945), doi:10.2307/3001968: paired test of errors.",
    "bootstrap": "D. B. Rubin, Ann. Stat. 9, 130 (1981), doi:10.1214/aos/1176345338: bootstrap intervals.",
    "inefficiency": "J. D. Chodera et al., J. Chem. Theory Comput. 3, 26 (2007), doi:10.1021/ct0502864: "
    "standard errors of correlated series.",
    "equilibration": "J. D. Chodera, J. Chem. Theory Comput. 12, 1799 (2016), doi:10.1021/acs.jctc.5b00784: "
    "start of the equilibrated part.",
    "blocking": "H. Flyvbjerg and H. G. Petersen, J. Chem. Phys. 91, 461 (1989), doi:10.1063/1.457480, and "
    "M. Jonsson, Phys. Rev. E 98, 043304 (2018), doi:10.1103/PhysRevE.98.043304: block errors.",
    "trend": "D. A. Harville, J. Am. Stat. Assoc. 72, 320 (1977), doi:10.1080/01621459.1977.10480998: "
    "error of the slope of a random walk.",
    "ensemble": "M. R. Shirts, J. Chem. Theory Comput. 9, 909 (2013), doi:10.1021/ct300688p: "
    "fluctuations as a test of the ensemble.",
    "stability": "X. Fu et al., Trans. Mach. Learn. Res. (2023), arXiv:2210.07237: stability of simulations "
    "as a measure of a learned force field.",
    "jensen-shannon": "J. Lin, IEEE Trans. Inf. Theory 37, 145 (1991), doi:10.1109/18.61115: "
    "Jensen-Shannon divergence.",
    "radii": "B. Cordero et al., Dalton Trans. 2832 (2008), doi:10.1039/b801115j: covalent radii.",
    "rdf": "M. P. Allen and D. J. Tildesley, Computer Simulation of Liquids (2017), "
    "doi:10.1093/oso/9780198803195.001.0001: radial distribution functions.",
    "diffusion": "I.-C. Yeh and G. Hummer, J. Phys. Chem. B 108, 15873 (2004), doi:10.1021/jp0477147: "
    "diffusion depends on the size of the cell.",
    "green-kubo": "R. Kubo, J. Phys. Soc. Jpn. 12, 570 (1957), doi:10.1143/JPSJ.12.570: "
    "diffusion from velocities.",
    "states": "J. M. Dickey and A. Paskin, Phys. Rev. 188, 1407 (1969), doi:10.1103/PhysRev.188.1407, and "
    "P. D. Welch, IEEE Trans. Audio Electroacoust. 15, 70 (1967), doi:10.1109/TAU.1967.1161901: "
    "densities of states.",
    "infrared": "M. Thomas et al., Phys. Chem. Chem. Phys. 15, 6608 (2013), doi:10.1039/c3cp44302g: "
    "infrared spectra from simulations.",
    "hydrogen-bonds": "A. Luzar and D. Chandler, Nature 379, 55 (1996), doi:10.1038/379055a0: hydrogen bonds "
    "and their lifetime.",
    "fluctuations": "M. P. Allen and D. J. Tildesley, Computer Simulation of Liquids (2017), "
    "doi:10.1093/oso/9780198803195.001.0001: heat capacity from fluctuations, structure factors.",
    "affinity-bootstrap": "D. F. Hahn et al., Living J. Comp. Mol. Sci. 4, 1497 (2022), "
    "doi:10.33011/livecoms.4.1.1497: how affinities of series are judged.",
    "kendall": "M. G. Kendall, Biometrika 33, 239 (1945), doi:10.1093/biomet/33.3.239: rank correlation.",
    "vina": "J. Eberhardt et al., J. Chem. Inf. Model. 61, 3891 (2021), doi:10.1021/acs.jcim.1c00203: "
    "AutoDock Vina.",
    "vina-error": "O. Trott and A. J. Olson, J. Comput. Chem. 31, 455 (2010), doi:10.1002/jcc.21334: "
    "standard error of Vina's score.",
    "posebusters": "M. Buttenschoen et al., Chem. Sci. 15, 3130 (2024), doi:10.1039/D3SC04185A: checks of "
    "poses.",
    "3dmol": "N. Rego and D. Koes, Bioinformatics 31, 1322 (2015), doi:10.1093/bioinformatics/btu829: 3D.",
}
