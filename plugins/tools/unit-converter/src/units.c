#include "units.h"

#define SI "SI Brochure, 9th edition (2019)"
#define GRAVITY "standard gravity 9.80665 m/s2 (3rd CGPM, 1901)"
#define STEAM "International Table calorie 4.1868 J (5th Int. Conf. on the Properties of Steam, 1956)"
#define COAL "GB/T 2589-2020: 1 kgce = 29307 kJ (its rounded coefficient 0.1229 kgce/kWh follows from it)"

const Unit UNITS[] = {
    {"Pa", "pressure", "帕", "pascal", 1, SI},
    {"kPa", "pressure", "千帕", "kilopascal", 1e3, SI},
    {"MPa", "pressure", "兆帕", "megapascal", 1e6, SI},
    {"mbar", "pressure", "毫巴", "millibar", 100, SI},
    {"bar", "pressure", "巴", "bar", 1e5, SI},
    {"atm", "pressure", "标准大气压", "standard atmosphere", 101325, "10th CGPM (1954), resolution 4"},
    {"kgf/cm2", "pressure", "千克力每平方厘米", "kilogram-force per square centimetre", 98066.5, GRAVITY},
    {"mmHg", "pressure", "毫米汞柱", "conventional millimetre of mercury", 133.322387415,
     "13595.1 kg/m3 at " GRAVITY},
    {"psi", "pressure", "磅力每平方英寸", "pound-force per square inch", 4.4482216152605 / 0.00064516,
     "pound 0.45359237 kg and inch 0.0254 m (1959 agreement), " GRAVITY},
    {"J", "energy", "焦", "joule", 1, SI},
    {"kJ", "energy", "千焦", "kilojoule", 1e3, SI},
    {"MJ", "energy", "兆焦", "megajoule", 1e6, SI},
    {"GJ", "energy", "吉焦", "gigajoule", 1e9, SI},
    {"Wh", "energy", "瓦时", "watt hour", 3600, SI},
    {"kWh", "energy", "千瓦时", "kilowatt hour", 3.6e6, SI},
    {"MWh", "energy", "兆瓦时", "megawatt hour", 3.6e9, SI},
    {"GWh", "energy", "吉瓦时", "gigawatt hour", 3.6e12, SI},
    {"cal", "energy", "卡（国际蒸汽表）", "calorie (International Table)", 4.1868, STEAM},
    {"kcal", "energy", "千卡（国际蒸汽表）", "kilocalorie (International Table)", 4186.8, STEAM},
    {"Btu", "energy", "英热单位（国际蒸汽表）", "British thermal unit (International Table)", 1055.05585262,
     STEAM ", pound and degree Fahrenheit"},
    {"kgce", "energy", "千克标准煤", "kilogram of coal equivalent", 29.307e6, COAL},
    {"tce", "energy", "吨标准煤", "tonne of coal equivalent", 29.307e9, COAL},
};

const size_t UNIT_COUNT = sizeof UNITS / sizeof UNITS[0];
